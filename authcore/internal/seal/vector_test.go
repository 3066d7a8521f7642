package seal

// Values under the root key 00 01 … 1f, computed once more by another
// implementation of HKDF and HMAC.
const (
	wantDerive      = "e994af70029ab4ac8046e04d524a0f2441c583ea42d989b50f222643dd6f05bf"
	wantMAC         = "98ddf82a6918e1ad54f0f0db99581ded5b34bc6202b54555a999675a3db62c0c"
	wantFingerprint = "360a316014993647"
	wantSealed      = "016e6f6e63655f6e6f6e63655f1c59127186846323d7402a742938c61acb335e6356ddcb1bfa"
)

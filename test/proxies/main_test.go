package proxies

import (
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

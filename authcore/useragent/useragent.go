// Package useragent names the browser and the system behind a User-Agent
// header in words of its own, for mails and lists of devices, and recognises
// the browsers inside other apps.
//
// The header is a stranger's text. Both answer from a fixed vocabulary and
// never repeat any of it, so nothing in it can pose as a link, a sentence or
// markup (EM-8, LG-2). It is a hint for people: whoever sends the header may
// claim what they like, and nothing is decided by it but what a page offers
// first.
package useragent

import "strings"

// Unknown is the description of a header that names nothing we know.
const Unknown = "Unknown device"

// sign is a piece of the header and what it stands for.
type sign struct{ mark, name string }

// programs are in the order in which they give themselves away: nearly all
// browsers also claim to be Safari, and many to be Chrome.
var programs = [...]sign{
	{"Edg/", "Edge"},
	{"EdgA/", "Edge"},
	{"EdgiOS/", "Edge"},
	{"Edge/", "Edge"},
	{"OPR/", "Opera"},
	{"OPT/", "Opera"},
	{"OPX/", "Opera"},
	{"OPiOS/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"HuaweiBrowser/", "Huawei Browser"},
	{"MiuiBrowser/", "Mi Browser"},
	{"Vivaldi/", "Vivaldi"},
	{"YaBrowser/", "Yandex Browser"},
	{"UCBrowser/", "UC Browser"},
	{"Whale/", "Whale"},
	{"Silk/", "Silk"},
	{"DuckDuckGo/", "DuckDuckGo"},
	{"Ddg/", "DuckDuckGo"},
	{"Focus/", "Firefox Focus"},
	{"Klar/", "Firefox Klar"},
	{"FxiOS/", "Firefox"},
	{"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"},
	{"Chrome/", "Chrome"},
	{"Safari/", "Safari"},
	{"curl/", "curl"},
	{"Wget/", "Wget"},
	{"HTTPie/", "HTTPie"},
	{"PostmanRuntime/", "Postman"},
	{"okhttp/", "an app"},
	{"Dalvik/", "an app"},
	{"CFNetwork/", "an app"},
	{"Dart/", "an app"},
	{"python-", "a script"},
	{"Python/", "a script"},
	{"PowerShell/", "a script"},
	{"Go-http-client/", "a script"},
	{"axios/", "a script"},
	{"node", "a script"},
}

// systems are in order too: Android says Linux, iPhones say Mac OS X.
var systems = [...]sign{
	{"iPhone", "iPhone"},
	{"iPad", "iPad"},
	{"HarmonyOS", "HarmonyOS"},
	{"OpenHarmony", "HarmonyOS"},
	{"Android", "Android"},
	{"CrOS", "ChromeOS"},
	{"Windows", "Windows"},
	{"Macintosh", "macOS"},
	{"Mac OS X", "macOS"},
	{"Darwin/", "an Apple device"},
	{"Linux", "Linux"},
	{"BSD", "BSD"},
}

// Describe answers such as "Firefox on Linux", "Safari on iPhone", "Instagram
// on Android", "curl" or Unknown.
func Describe(userAgent string) string {
	program, system := find(apps[:], userAgent), find(systems[:], userAgent)
	if program == "" {
		program = find(programs[:], userAgent)
	}
	switch {
	case program != "" && system != "":
		return capital(program + " on " + system)
	case program+system != "":
		return capital(program + system)
	}
	return Unknown
}

func find(signs []sign, in string) string {
	for _, s := range signs {
		if strings.Contains(in, s.mark) {
			return s.name
		}
	}
	return ""
}

// capital begins a phrase with an upper-case letter; names keep theirs.
func capital(s string) string {
	if strings.HasPrefix(s, "a ") || strings.HasPrefix(s, "an ") {
		return "A" + s[1:]
	}
	return s
}

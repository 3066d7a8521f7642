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

import (
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

// sign is a piece of the header and what it stands for: a name, or a message key.
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
	{"okhttp/", "device.app"},
	{"Dalvik/", "device.app"},
	{"CFNetwork/", "device.app"},
	{"Dart/", "device.app"},
	{"python-", "device.script"},
	{"Python/", "device.script"},
	{"PowerShell/", "device.script"},
	{"Go-http-client/", "device.script"},
	{"axios/", "device.script"},
	{"node", "device.script"},
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
	{"Darwin/", "device.apple"},
	{"Linux", "Linux"},
	{"BSD", "BSD"},
}

// Describe is DescribeIn in English.
func Describe(userAgent string) string { return DescribeIn(i18n.English(), userAgent) }

// DescribeIn answers such as "Firefox on Linux", "Safari on iPhone", "Instagram
// on Android", "curl" or "Unknown device" in a language.
func DescribeIn(l *i18n.Language, userAgent string) string {
	program, system := find(apps[:], userAgent), find(systems[:], userAgent)
	if program == "" {
		program = find(programs[:], userAgent)
	}
	switch {
	case program+system == "":
		return l.Text("device.unknown")
	case system == "":
		return name(l, program)
	case program == "":
		return name(l, system)
	case system == "device.apple":
		return l.Text("device.on-apple", "program", i18n.Word(name(l, program)))
	}
	return l.Text("device.on", "program", i18n.Word(name(l, program)), "system", i18n.Word(system))
}

// name is a proper name as it is, and what has none by its message.
func name(l *i18n.Language, s string) string {
	if l.Has(s) {
		return l.Text(s)
	}
	return s
}

func find(signs []sign, in string) string {
	for _, s := range signs {
		if strings.Contains(in, s.mark) {
			return s.name
		}
	}
	return ""
}

// Package useragent names the browser and the system behind a User-Agent
// header in words of its own, for mails and lists of devices.
//
// The header is a stranger's text. Describe answers from a fixed vocabulary
// and never repeats any of it, so nothing in it can pose as a link, a sentence
// or markup (EM-8, LG-2). It is a hint for people: whoever sends the header
// may claim what they like, and nothing is decided by it.
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
	{"OPR/", "Opera"},
	{"OPT/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"Vivaldi/", "Vivaldi"},
	{"DuckDuckGo/", "DuckDuckGo"},
	{"Ddg/", "DuckDuckGo"},
	{"FxiOS/", "Firefox"},
	{"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"},
	{"Chrome/", "Chrome"},
	{"Safari/", "Safari"},
	{"curl/", "curl"},
	{"Wget/", "Wget"},
	{"okhttp/", "an app"},
	{"CFNetwork/", "an app"},
	{"Dart/", "an app"},
	{"python-", "a script"},
	{"Go-http-client/", "a script"},
	{"node", "a script"},
}

// systems are in order too: Android says Linux, iPhones say Mac OS X.
var systems = [...]sign{
	{"iPhone", "iPhone"},
	{"iPad", "iPad"},
	{"Android", "Android"},
	{"CrOS", "ChromeOS"},
	{"Windows", "Windows"},
	{"Macintosh", "macOS"},
	{"Mac OS X", "macOS"},
	{"Darwin/", "an Apple device"},
	{"Linux", "Linux"},
	{"BSD", "BSD"},
}

// Describe answers such as "Firefox on Linux", "Safari on iPhone", "curl" or
// Unknown.
func Describe(userAgent string) string {
	program, system := find(programs[:], userAgent), find(systems[:], userAgent)
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

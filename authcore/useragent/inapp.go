package useragent

import "strings"

// apps give themselves away by what they add to the header of the browser that
// they contain. Where one is inside another the more telling mark comes first.
var apps = [...]sign{
	{"FBAN/Messenger", "Messenger"},
	{"FB_IAB/Orca", "Messenger"},
	{"FB_IAB/MESSENGER", "Messenger"},
	{"Instagram ", "Instagram"},
	{" Barcelona ", "Threads"},
	{"FBAN/", "Facebook"},
	{"FBAV/", "Facebook"},
	{"FB_IAB/", "Facebook"},
	{"MicroMessenger/", "WeChat"},
	{" Line/", "LINE"},
	{"Snapchat/", "Snapchat"},
	{"musical_ly_", "TikTok"},
	{"BytedanceWebview/", "TikTok"},
	{"LinkedInApp", "LinkedIn"},
	{"TwitterAndroid", "X"},
	{"Twitter for i", "X"},
	{"Telegram-Android/", "Telegram"},
	{"[Pinterest/", "Pinterest"},
	{"KAKAOTALK", "KakaoTalk"},
	{"NAVER(inapp", "NAVER"},
	{" GSA/", "Google app"},
}

// browsers are programs of their own, some of which are made with the system's
// web view and look like one.
var browsers = [...]string{
	"OPR/", "OPT/", "OPX/", "OPiOS/", "EdgA/", "EdgiOS/", "CriOS/", "FxiOS/", "Firefox/", "Focus/", "Klar/",
	"SamsungBrowser/", "DuckDuckGo/", "Ddg/", "Vivaldi/", "YaBrowser/", "UCBrowser/", "HuaweiBrowser/", "MiuiBrowser/", "Silk/", "Brave/",
}

// InApp reports whether a page is shown by the browser inside another app, and
// which app that is; app is "" where it does not tell. Such browsers often have
// no passkeys, and what they remember is lost when the app closes them, so a
// page offers the code first and says how to open it in a browser.
//
// It would rather miss one than bother a browser: what opens in the system's
// own sheet (Custom Tabs, SFSafariViewController) says that it is the browser
// and is taken at its word, and so are apps on an iPad that ask for the pages
// of a Mac. A page that was put on an iPhone's home screen looks like an app
// that does not tell, so nothing is taken away from one.
func InApp(userAgent string) (app string, ok bool) {
	if !strings.Contains(userAgent, "AppleWebKit/") {
		return "", false // the app itself asks, not a page in it
	}
	if app = find(apps[:], userAgent); app != "" {
		return app, true
	}
	for _, mark := range browsers {
		if strings.Contains(userAgent, mark) {
			return "", false
		}
	}
	android := strings.Contains(userAgent, "Android") && strings.Contains(userAgent, "; wv)")
	ios := (strings.Contains(userAgent, "iPhone") || strings.Contains(userAgent, "iPad;")) &&
		strings.Contains(userAgent, " Mobile/") && !strings.Contains(userAgent, "Safari")
	return "", android || ios
}

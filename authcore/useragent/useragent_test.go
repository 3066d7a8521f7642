package useragent_test

import (
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

func TestDescribe_NamesBrowserAndSystem(t *testing.T) {
	const webkit = "AppleWebKit/605.1.15 (KHTML, like Gecko) "
	for _, c := range []struct{ want, header string }{
		{"Firefox on Linux", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		{"Firefox on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) " + webkit + "FxiOS/140.0 Mobile/15E148 Safari/605.1.15"},
		{"Chrome on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
		{"Chrome on Android", "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"},
		{"Chrome on ChromeOS", "Mozilla/5.0 (X11; CrOS x86_64 16000.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
		{"Edge on Windows", "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"},
		{"Opera on macOS", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 OPR/124.0"},
		{"Samsung Internet on Android", "Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36"},
		{"Safari on macOS", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) " + webkit + "Version/18.0 Safari/605.1.15"},
		{"Safari on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) " + webkit + "Version/18.0 Mobile/15E148 Safari/604.1"},
		{"Opera on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) " + webkit + "Mobile/15E148 OPT/5.2.2"},
		{"Edge on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) " + webkit + "Version/18.0 EdgiOS/140.0.3485.54 Mobile/15E148 Safari/604.1"},
		{"Chrome on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) " + webkit + "CriOS/140.0.7339.101 Mobile/15E148 Safari/604.1"},
		{"DuckDuckGo on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) " + webkit + "Version/18.6 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15"},
		{"Edge on Android", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36 EdgA/140.0.0.0"},
		{"Opera on Android", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36 OPR/91.0.0.0"},
		{"Firefox on Android", "Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0"},
		{"Vivaldi on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Vivaldi/7.5.3735.74"},
		{"Huawei Browser on HarmonyOS", "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile HuaweiBrowser/5.0.4.300"},
		{"Silk on Android", "Mozilla/5.0 (Linux; Android 11; KFRAWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/128.4.1 like Chrome/128.0.6613.187 Safari/537.36"},
		{"Chrome on Linux", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36"},
		{"Safari on iPad", "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) " + webkit + "Version/16.6 Mobile/15E148 Safari/604.1"},
		{"An app on an Apple device", "Example/7 CFNetwork/1490.0.4 Darwin/23.2.0"},
		{"An app", "okhttp/4.12.0"},
		{"An app on Android", "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP2A.240805.005)"},
		{"A script", "python-requests/2.32.0"},
		{"A script", "Python/3.12 aiohttp/3.9.5"},
		{"A script", "Go-http-client/2.0"},
		{"A script on Windows", "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621.2506"},
		{"curl", "curl/8.5.0"},
		{"Windows", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"},
		{"Unknown device", ""},
		{"Unknown device", "Your account is locked, go to https://evil.example"},
	} {
		if got := useragent.Describe(c.header); got != c.want {
			t.Errorf("Describe(%q) = %q, want %q", c.header, got, c.want)
		}
	}
}

// EM-8: whatever a stranger sends, only our own words come out.
func FuzzDescribe_RepeatsNothing(f *testing.F) {
	f.Add("Firefox/1 <b>https://evil.example</b>\r\nBcc: eve@example.com Linux")
	f.Add("Chrome/\x00\u202e Windows")
	f.Add("AppleWebKit/ Instagram https://evil.example ; wv) Android")
	f.Fuzz(func(t *testing.T, header string) {
		got := useragent.Describe(header)
		letters := strings.Trim(strings.ToLower(got), "abcdefghijklmnopqrstuvwxyz ")
		if got == "" || len(got) > 40 || letters != "" {
			t.Errorf("Describe(%q) = %q", header, got)
		}
		app, ok := useragent.InApp(header)
		if letters = strings.Trim(strings.ToLower(app), "abcdefghijklmnopqrstuvwxyz "); letters != "" || len(app) > 20 || app != "" && !ok {
			t.Errorf("InApp(%q) = %q, %v", header, app, ok)
		}
	})
}

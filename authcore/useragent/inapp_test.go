package useragent_test

import (
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

const (
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	webview = "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP2A.240805.005; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/127.0.6533.64 Mobile Safari/537.36"
	android = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
)

func TestInApp_RecognisesBrowsersInsideApps(t *testing.T) {
	for _, c := range []struct{ want, header string }{
		{"Facebook", iphone + "Mobile/15E148 [FBAN/FBIOS;FBAV/512.0.0.41.106;FBBV/739483251;FBDV/iPhone15,2;FBMD/iPhone;FBSN/iOS;FBSV/18.5;FBSS/3;FBID/phone;FBLC/id_ID;FBOP/5]"},
		{"Facebook", webview + " [FB_IAB/FB4A;FBAV/459.0.0.48.110;]"},
		{"Messenger", iphone + "Mobile/15E148 [FBAN/MessengerForiOS;FBAV/466.0.0.43.105;FBBV/620110520;FBDV/iPhone15,3;FBSN/iOS;FBSV/18.5]"},
		{"Messenger", webview + " [FB_IAB/Orca-Android;FBAV/455.0.0.36.107;]"},
		{"Instagram", iphone + "Mobile/15E148 Instagram 389.0.0.29.81 (iPhone15,2; iOS 18_5; id_ID; id; scale=3.00; 1179x2556; 754339213)"},
		{"Instagram", webview + " Instagram 345.0.0.34.94 Android (34/14; 420dpi; 1080x2400; Google/google; Pixel 8; shiba; shiba; en_US)"},
		{"Threads", iphone + "Mobile/15E148 Barcelona 390.0.0.28.81 (iPhone15,2; iOS 18_5; en_US; en; scale=3.00; 1179x2556; 756000000)"},
		{"LINE", iphone + "Mobile/15E148 Safari Line/14.9.0"},
		{"LINE", webview + " Line/14.11.2/IAB"},
		{"WeChat", iphone + "Mobile/15E148 MicroMessenger/8.0.49(0x18003135) NetType/WIFI Language/zh_CN"},
		{"WeChat", webview + " XWEB/1110017 MMWEBSDK/20230805 MMWEBID/525 MicroMessenger/8.0.42.2460(0x28002A35) WeChat/arm64 Weixin"},
		{"Snapchat", iphone + "Mobile/21E219 Snapchat/12.80.0.34 (like Safari/8618.1.15.10.11, panda)"},
		{"TikTok", iphone + "Mobile/15E148 musical_ly_36.0.0 JsSdk/2.0 NetType/WIFI Channel/App Store ByteLocale/en"},
		{"TikTok", webview + " trill_2023408040 BytedanceWebview/d8a21c6"},
		{"LinkedIn", iphone + "Mobile/15E148 Safari/604.1 [LinkedInApp]/9.78.4909"},
		{"LinkedIn", webview + " [LinkedInApp]/2.312.70"},
		{"X", iphone + "Mobile/21G93 Twitter for iPhone/10.64.1"},
		{"X", webview + " TwitterAndroid"},
		{"Telegram", android + "Chrome/119.0.6045.193 Mobile Safari/537.36 Telegram-Android/11.4.3 (Samsung SM-G965N; Android 10; SDK 29; LOW)"},
		{"Pinterest", iphone + "Mobile/15E148 [Pinterest/iOS]"},
		{"KakaoTalk", iphone + "Mobile/15E148 KAKAOTALK 25.7.0"},
		{"NAVER", iphone + "Mobile/15E148 NAVER(inapp; search; 2000; 12.10.2; 15PRO)"},
		{"Google app", iphone + "GSA/399.2.845414227 Mobile/15E148 Safari/604.1"},
		{"", webview}, // an app that does not tell
		{"", iphone + "Mobile/15E148"},
		{"", "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"},
	} {
		app, ok := useragent.InApp(c.header)
		if !ok || app != c.want {
			t.Errorf("InApp(%q) = %q, %v, want %q", c.header, app, ok, c.want)
		}
		if described := useragent.Describe(c.header); c.want != "" && !strings.HasPrefix(described, c.want+" on ") {
			t.Errorf("Describe(%q) = %q", c.header, described)
		}
	}
}

// Whoever has a browser is not sent to look for one.
func TestInApp_LeavesBrowsersAlone(t *testing.T) {
	const (
		mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/"
		win = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
	)
	for _, header := range []string{
		iphone + "Version/18.5 Mobile/15E148 Safari/604.1", // also Brave, and SFSafariViewController inside X
		iphone + "CriOS/140.0.7339.101 Mobile/15E148 Safari/604.1",
		iphone + "FxiOS/143.0 Mobile/15E148 Safari/605.1.15",
		iphone + "Version/18.0 EdgiOS/140.0.3485.54 Mobile/15E148 Safari/604.1",
		iphone + "Version/18.6 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15",
		iphone + "Version/18.6 Mobile/15E148 Safari/604.1 Ddg/18.6",
		iphone + "Mobile/15E148 OPT/3.3.6", // Opera says nothing of Safari
		iphone + "Version/18.5 Mobile/15E148 Safari/604.1 OPT/5.2.2",
		iphone + "Version/17.5 YaBrowser/24.6.1.386.10 SA/3 Mobile/15E148 Safari/604.1",
		iphone + "FxiOS/8.1.1 Mobile/16A366 Safari/604.1",
		"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
		android + "Chrome/140.0.0.0 Mobile Safari/537.36", // also Custom Tabs
		android + "Chrome/140.0.0.0 Safari/537.36",
		android + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
		android + "Chrome/140.0.0.0 Mobile Safari/537.36 EdgA/140.0.0.0",
		android + "Chrome/138.0.0.0 Mobile Safari/537.36 OPR/91.0.0.0",
		"Mozilla/5.0 (Linux; U; Android 13; Pixel 6 Build/TQ3A.230805.001; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/127.0.6533.64 Mobile Safari/537.36 OPR/81.0.2254.72330", // Opera Mini
		"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/140.0.0.0 Mobile DuckDuckGo/5 Safari/537.36",
		"Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
		mac + "605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
		mac + "537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
		win, win + " Edg/140.0.0.0", win + " OPR/124.0.0.0", win + " Vivaldi/7.5.3735.74",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
		"Snapchat/12.76.0.36 (iPhone14,2; iOS 17.1.1; gzip)", // the app itself, not a page in it
		"okhttp/4.12.0", "curl/8.5.0", "",
		"please open this in Instagram 1 or Line/1",
	} {
		if app, ok := useragent.InApp(header); ok {
			t.Errorf("InApp(%q) = %q", header, app)
		}
	}
}

package demo

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// mailPage is what the mailbox shows.
type mailPage struct {
	AppURL  string
	Version int // changes with every mail; the page's script looks for it
	Mails   []shownMail
}

// shownMail is a mail with what people look for in it.
type shownMail struct {
	Mail
	Time string
	Code string // the sign-in code in two groups, "" when there is none
	Link string // the first link, "" when there is none
}

func (wb *web) mailPage(w http.ResponseWriter, _ *http.Request) {
	mails, version := wb.sink.Mails()
	page := mailPage{AppURL: wb.sites.url("app") + "/", Version: version}
	for _, m := range mails {
		page.Mails = append(page.Mails, show(m))
	}
	wb.page(w, "mail.html", page)
}

// messages are all mails, newest first.
func (wb *web) messages(w http.ResponseWriter, _ *http.Request) {
	mails, version := wb.sink.Mails()
	w.Header().Set("ETag", `"`+strconv.Itoa(version)+`"`)
	if mails == nil {
		mails = []Mail{}
	}
	writeJSON(w, mails)
}

var (
	code = regexp.MustCompile(`(?m)(?:^|\s)(\d{4})[ -]?(\d{4})(?:\s|$)`)
	link = regexp.MustCompile(`https?://[^\s<>"']+`)
)

func show(m Mail) shownMail {
	s := shownMail{Mail: m, Time: m.Date.Local().Format("15:04:05"), Link: link.FindString(m.Text)}
	if groups := code.FindStringSubmatch(m.Text); groups != nil {
		s.Code = groups[1] + " " + groups[2]
	}
	return s
}

// piece is a stretch of a mail's text; Link is set where it is a link.
type piece struct{ Text, Link string }

// pieces cuts a text at its links.
func pieces(text string) []piece {
	var list []piece
	text = strings.TrimSpace(text)
	for text != "" {
		at := link.FindStringIndex(text)
		if at == nil {
			return append(list, piece{Text: text})
		}
		url := text[at[0]:at[1]]
		list = append(list, piece{Text: text[:at[0]]}, piece{Text: url, Link: url})
		text = text[at[1]:]
	}
	return list
}

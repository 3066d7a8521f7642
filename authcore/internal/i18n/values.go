package i18n

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

// Funcs are what templates of pages and mails call:
//
//	{{t "login.title" "brand" .Brand.Name}}          plain text
//	{{rich "code.sent" "email" .Email}}              HTML
//	{{moment .Created}}                              a moment as a time element
//	{{when .At}}                                     a moment as plain text
//	{{list .Groups}}                                 names in a row, as HTML
//	{{dir}}                                          ltr or rtl
func (l *Language) Funcs() template.FuncMap {
	return template.FuncMap{"t": l.Format, "rich": l.Rich, "moment": l.Moment, "when": l.Time, "list": l.List, "dir": l.Dir}
}

// Time writes a moment of UTC in the language's own order and names.
func (l *Language) Time(at time.Time) string {
	at = at.UTC()
	return l.Text("time.moment", "day", at.Day(), "month", Word(l.content().months[at.Month()-1]), "year", at.Year(),
		"hour", Word(at.Format("15")), "minute", Word(at.Format("04")))
}

// Word is an argument of ours: in the language's own words, or a name whose
// direction is known to do no harm. It is not isolated.
type Word string

// Moment is Time as an element, which scripts rewrite to the person's own zone.
func (l *Language) Moment(at time.Time) template.HTML {
	//nolint:gosec // a number in a fixed format and the catalogue's text, escaped
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, at.UTC().Format(time.RFC3339), template.HTMLEscapeString(l.Time(at))))
}

// List writes names in a row as HTML, each escaped and isolated.
func (l *Language) List(names []string) template.HTML {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(template.HTMLEscapeString(l.Text("list.separator")))
		}
		b.WriteString(string(l.isolate(name)))
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

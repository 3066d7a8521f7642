package settings

import (
	"errors"
	"regexp"
)

func checkPassword(s string) error {
	switch {
	case s == "":
		return errors.New("the file is empty; write the mail server's password into it")
	case isExample(s):
		return errors.New("this is the placeholder of an example; write the mail server's password")
	}
	return nil
}

// example matches what documents write where a password belongs.
var example = regexp.MustCompile(`(?i)^(your|my)[-_ .]|^<|(change|replace)[-_ .]?(me|this)|placeholder|password123`)

func isExample(s string) bool { return example.MatchString(s) }

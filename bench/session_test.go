package main

import "testing"

func TestFilled_TakesTheFieldsOfThatFormOnly(t *testing.T) {
	const body = `<form method="post" action="/lang"><input type="hidden" name="lang" value="de"></form>
<form method="post" action="/login?a&amp;b"><input type="hidden" name="token" value="t&amp;1"><input name="email"></form>`
	got, ok := filled(body, "/login?a&b", "email", "a@example.com")
	if want := "email=a%40example.com&token=t%261"; !ok || got.Encode() != want {
		t.Errorf("got %s, want %s", got.Encode(), want)
	}
	if _, ok := filled(body, "/login", "email", "a@example.com"); ok {
		t.Error("filled a form that is not there")
	}
}

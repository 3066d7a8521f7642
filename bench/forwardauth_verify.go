package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"
)

// verify looks whether everybody does what the table will say of them.
func (f *farm) verify(ctx context.Context) error {
	var errs []error
	for _, endpoint := range endpoints {
		errs = append(errs, f.ours.verify(ctx, endpoint))
	}
	errs = append(errs, f.verifyHeaders(ctx))
	for _, d := range f.peers {
		errs = append(errs, d.verify(ctx, forwardAuth))
	}
	for _, d := range append(slices.Clone(f.peers), f.ours) {
		errs = append(errs, d.verifySite(ctx, loopback(d.edge)))
	}
	for _, d := range f.insiders() {
		errs = append(errs, d.verifySite(ctx, d.addr))
	}
	return errors.Join(errs...)
}

// verifyHeaders compares an answer of ours with the one that is called the same.
func (f *farm) verifyHeaders(ctx context.Context) error {
	asked := f.ours.asking(forwardAuth, f.ours.cookies)
	_, answer, err := exchange(ctx, f.ours.addr, asked)
	if err != nil {
		return err
	}
	_, same, err := exchange(ctx, loopback(f.always[2]), asked)
	if err != nil {
		return err
	}
	answer.Del("Date")
	same.Del("Date")
	if !maps.EqualFunc(answer, same, slices.Equal) {
		return fmt.Errorf("the answer of ours has %v, and the one called the same %v", answer, same)
	}
	return nil
}

// verify asks with a session and without.
func (d *decider) verify(ctx context.Context, endpoint string) error {
	code, header, err := exchange(ctx, d.addr, d.asking(endpoint, d.cookies))
	if err != nil {
		return err
	}
	if code/100 != 2 || header.Get(d.copies[0]) == "" {
		return fmt.Errorf("%s answers %d for a signed-in user at %s, with %v", d.name, code, endpoint, slices.Sorted(maps.Keys(header)))
	}
	if code, _, err = exchange(ctx, d.addr, d.asking(endpoint, "")); err != nil {
		return err
	}
	if code/100 == 2 {
		return fmt.Errorf("%s answers %d for nobody at %s", d.name, code, endpoint)
	}
	return nil
}

// verifySite visits the app behind an address with a session and without.
func (d *decider) verifySite(ctx context.Context, addr string) error {
	got, err := seen(ctx, addr, hostOf(d.app), d.cookies)
	if err != nil {
		return err
	}
	if got.Get(d.copies[0]) == "" {
		return fmt.Errorf("behind %s the upstream got no %s", d.name, d.copies[0])
	}
	code, _, err := exchange(ctx, addr, visiting(d.app, ""))
	if err != nil {
		return err
	}
	if code/100 == 2 {
		return fmt.Errorf("the app behind %s answers %d for nobody", d.name, code)
	}
	return nil
}

// exchange sends bytes, as the load does, and reads the head of one answer.
func exchange(ctx context.Context, addr string, request []byte) (code int, header http.Header, err error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, nil, fmt.Errorf("connecting: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, err
	}
	if _, err := c.Write(request); err != nil {
		return 0, nil, fmt.Errorf("sending: %w", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, nil, fmt.Errorf("receiving: %w", err)
	}
	return res.StatusCode, res.Header, res.Body.Close()
}

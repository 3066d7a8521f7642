package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

const (
	// maxAdminBody is far more than a user has.
	maxAdminBody = 64 << 10
	// maxPage bounds one page of a list.
	maxPage = 500
	// operator is who did it, in the audit log: whoever may use the socket.
	operator = "host"
	// databaseHeader names the database that the caller means, so that a
	// command never changes another one whose socket is in the same place.
	databaseHeader = "Passwordless-Database"
)

// adminServer answers the command line over a unix socket, in JSON that is
// nobody else's business. It asks the newest configuration, whichever that is
// by then.
type adminServer struct {
	p        *process
	database string
	srv      *http.Server
	served   chan error // of Serve, once
}

// serveAdmin starts it. Without a socket sign-in works all the same, so a
// failure is logged and the command line says what it finds.
func serveAdmin(p *process, database string, log *slog.Logger) *adminServer {
	ln, err := listenSocket(socketPath(database))
	if err != nil {
		log.Error("commands such as \"user list\" cannot reach this process", "error", err)
		return nil
	}
	a := &adminServer{p: p, database: database, served: make(chan error, 1)}
	a.srv = &http.Server{
		Handler: a.routes(), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 10 * time.Second,
		MaxHeaderBytes: 16 << 10,
	}
	go func() { a.served <- a.srv.Serve(ln) }()
	log.Info("commands reach this process", "socket", socketPath(database))
	return a
}

// close ends the server and removes the socket.
func (a *adminServer) close() error {
	if a == nil {
		return nil
	}
	err := a.srv.Close()
	if served := <-a.served; !errors.Is(served, http.ErrServerClosed) && !errors.Is(served, net.ErrClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// adminHandler answers one request; v is the answer, nil is none.
type adminHandler func(svc *authcore.Service, r *http.Request) (v any, err error)

func (a *adminServer) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]adminHandler{
		"GET /ping":                    a.ping,
		"GET /users":                   listUsers,
		"POST /users":                  addUser,
		"GET /users/{who}":             showUser,
		"DELETE /users/{who}":          deleteUser,
		"POST /users/{who}/disable":    disableUser,
		"POST /users/{who}/enable":     enableUser,
		"PUT /users/{who}/name":        nameUser,
		"PUT /users/{who}/groups":      setGroups,
		"GET /requests":                listRequests,
		"POST /requests/{who}/approve": approveRequest,
		"DELETE /requests/{who}":       declineRequest,
		"GET /users/{who}/sessions":    sessionsOf,
		"DELETE /users/{who}/sessions": signOutUser,
		"GET /sessions":                listSessions,
		"DELETE /sessions/{id}":        revokeSession,
		"GET /users/{who}/tokens":      tokensOf,
		"POST /tokens":                 createToken,
		"DELETE /tokens/{id}":          revokeToken,
		"GET /keys":                    listKeys,
		"POST /keys/rotate":            rotateKeys,
		"POST /invites":                a.invite,
		"POST /explain":                explain,
		"GET /rp-id/{id}":              previewRPID,
		"GET /doctor":                  a.doctorFacts,
		"POST /doctor/probe":           beginProbe,
		"GET /doctor/probe/{nonce}":    probed,
		"DELETE /doctor/probe/{nonce}": endProbe,
	} {
		mux.Handle(pattern, a.handle(h))
	}
	return mux
}

func (a *adminServer) handle(h adminHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if meant := r.Header.Get(databaseHeader); meant != "" && meant != a.database {
			answerAdmin(w, http.StatusMisdirectedRequest, adminProblem{fmt.Sprintf("the process that answers here has %s open, not %s", a.database, meant)})
			return
		}
		s := a.p.newest()
		if s == nil {
			answerAdmin(w, http.StatusServiceUnavailable, adminProblem{"the server is starting or stopping; try again"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxAdminBody)
		v, err := h(s.svc, r)
		if err != nil {
			status, said := adminError(err)
			if status == http.StatusInternalServerError {
				s.svc.Log().Error("answering the command line", "request", r.Pattern, "error", err)
			}
			answerAdmin(w, status, adminProblem{said})
			return
		}
		answerAdmin(w, http.StatusOK, v)
	})
}

// adminProblem says what is wrong in a sentence for the terminal.
type adminProblem struct {
	Error string `json:"error"`
}

func answerAdmin(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who hung up needs no answer
}

// errAsked is a request that the command line would not send.
var errAsked = errors.New("the request is malformed; the command and the server may be of different versions")

// adminError maps an error to a status and to words.
func adminError(err error) (status int, said string) {
	refusal, ok := authcore.AsRefusal(err)
	switch {
	case errors.Is(err, errAsked):
		return http.StatusBadRequest, err.Error()
	case !ok:
		return http.StatusInternalServerError, "the server could not do it; its log says why"
	}
	status = map[authcore.Reason]int{
		authcore.NotFound: http.StatusNotFound, authcore.Conflict: http.StatusConflict, authcore.Forbidden: http.StatusForbidden,
	}[refusal.Reason]
	if status == 0 {
		status = http.StatusBadRequest
	}
	if refusal.Detail != "" {
		return status, refusal.Detail
	}
	return status, "refused: " + refusal.Error()
}

// decodeAdmin reads a body that holds what it should and nothing else.
func decodeAdmin(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errAsked
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errAsked
	}
	return nil
}

// page reads where a list goes on.
func page(r *http.Request) (after string, limit int, err error) {
	limit = maxPage
	if s := r.URL.Query().Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxPage {
			return "", 0, errAsked
		}
	}
	return r.URL.Query().Get("after"), limit, nil
}

// adminPing is who answers.
type adminPing struct {
	Version  string `json:"version"`
	Database string `json:"database"`
	PID      int    `json:"pid"`
	Origin   string `json:"origin"` // where people sign in
	Uptime   int64  `json:"uptime_seconds"`
	Mail     string `json:"mail"` // "ok", or what is wrong
}

func (a *adminServer) ping(svc *authcore.Service, _ *http.Request) (any, error) {
	v := adminPing{
		Version: Version(), Database: a.database, PID: os.Getpid(), Origin: svc.Portal().String(), Mail: "ok",
		Uptime: int64(svc.Now().Sub(svc.StartedAt()).Seconds()),
	}
	if s := a.p.newest(); s != nil {
		if err := s.Mail(); err != nil {
			v.Mail = err.Error()
		}
	}
	return v, nil
}

func revokeSession(svc *authcore.Service, r *http.Request) (any, error) {
	return nil, svc.RevokeSession(r.Context(), operator, r.PathValue("id"))
}

// adminSession is a live sign-in.
type adminSession struct {
	ID        string    `json:"id"`
	User      string    `json:"user"` // e-mail address
	Kind      string    `json:"kind"` // root or api
	Client    string    `json:"client,omitempty"`
	Methods   []string  `json:"methods"`
	Apps      []string  `json:"apps,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	LastSeen  time.Time `json:"last_seen"`
	IP        string    `json:"ip,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

func toAdminSession(u *store.User, d authcore.Device) adminSession {
	s := d.Session
	return adminSession{
		ID: s.ID, User: u.Email, Kind: string(s.Kind), Client: s.ClientID, Methods: s.AMR, Apps: d.Apps,
		CreatedAt: s.CreatedAt, LastSeen: s.LastSeen, IP: s.IP, UserAgent: s.UserAgent,
	}
}

// adminPage is one page of a list; Next is empty on the last.
type adminPage[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

func sessionsOf(svc *authcore.Service, r *http.Request) (any, error) {
	u, err := svc.FindUser(r.Context(), r.PathValue("who"))
	if err != nil {
		return nil, err
	}
	devices, err := svc.Devices(r.Context(), u, nil)
	if err != nil {
		return nil, err
	}
	list := adminPage[adminSession]{Items: []adminSession{}}
	for _, d := range devices {
		list.Items = append(list.Items, toAdminSession(u, d))
	}
	return list, nil
}

func listSessions(svc *authcore.Service, r *http.Request) (any, error) {
	text, limit, err := page(r)
	if err != nil {
		return nil, err
	}
	var after store.Hash
	if text != "" && after.UnmarshalText([]byte(text)) != nil {
		return nil, errAsked
	}
	found, next, err := svc.ListSessions(r.Context(), after, limit)
	if err != nil {
		return nil, err
	}
	list := adminPage[adminSession]{Items: []adminSession{}}
	for _, s := range found {
		list.Items = append(list.Items, toAdminSession(s.User, s.Device))
	}
	if next != nil {
		text, err := next.MarshalText()
		if err != nil {
			return nil, err
		}
		list.Next = string(text)
	}
	return list, nil
}

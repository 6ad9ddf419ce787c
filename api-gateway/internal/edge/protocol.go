package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync/atomic"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
)

// Bounds of a request in bytes, checked before anything is forwarded: of the URL with its query, of all headers, and of
// the forwarded ones. They are below net/http's own bound (MaxHeaderBytes) and below what sidecars accept.
const (
	maxURL       = 8 << 10
	maxHeaders   = 12 << 10
	maxForwarded = 4 << 10
)

// refuseTooLarge refuses requests that are too large for the sidecars, which would answer with an error of their own.
func (g *Gateway) refuseTooLarge(c *gin.Context) {
	headers, kept := 0, 0
	for name, values := range c.Request.Header {
		for _, v := range values {
			headers += len(name) + len(v)
		}
	}
	for _, name := range forwarded {
		for _, v := range c.Request.Header.Values(name) {
			kept += len(name) + len(v)
		}
	}
	switch {
	case len(c.Request.RequestURI) > maxURL:
		g.refuse(c, errURLTooLong)
	case headers > maxHeaders || kept > maxForwarded:
		g.refuse(c, errHeadersTooLarge)
	default:
		c.Next()
	}
}

// Problems replaces the plain-text refusals that net/http writes before any handler runs by problem documents:
// malformed requests, unknown versions, transfer codings and expectations, oversized headers (HTTP/1.1 only). The
// server must serve the listener that it returns.
func Problems(srv *http.Server, l net.Listener) net.Listener {
	h := srv.Handler
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(connKey{}).(*problemConn); ok {
			conn.handlerBegins(r.ProtoMajor)
		}
		h.ServeHTTP(w, r)
	})
	srv.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conn)
	}
	srv.ConnState = func(conn net.Conn, s http.ConnState) {
		if conn, ok := conn.(*problemConn); ok && s == http.StateIdle {
			conn.state.CompareAndSwap(answering, waiting)
		}
	}
	return problemListener{l}
}

type connKey struct{}

type problemListener struct{ net.Listener }

func (l problemListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &problemConn{TCPConn: tcp}, err
	}
	return conn, err
}

// problemConn keeps the connection's other methods: net/http half-closes it after a refusal.
type problemConn struct {
	*net.TCPConn
	state atomic.Int32
}

// A write while no handler runs comes from net/http itself; part of an answer may look like a refusal.
const (
	waiting   = iota // for a request
	answering        // until net/http has written all of the answer
	http2            // many answers at once; net/http writes no such refusals
)

// handlerBegins is called before a handler runs; the server's ConnState reports when the connection is idle again.
func (c *problemConn) handlerBegins(protocol int) {
	if protocol == 1 {
		c.state.Store(answering)
	} else {
		c.state.Store(http2)
	}
}

// net/http writes a refusal in one piece. Our handlers never answer in plain text.
var (
	plainRefusal = regexp.MustCompile(
		`^HTTP/1\.1 ([45]\d\d) [^\r\n]*\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`)
	expectation = []byte("HTTP/1.1 417 ")
	statusLine  = []byte("HTTP/1.1 ")
)

func (c *problemConn) Write(b []byte) (int, error) {
	if c.state.Load() != waiting || !bytes.HasPrefix(b, statusLine) {
		return c.TCPConn.Write(b)
	}
	status := ""
	if m := plainRefusal.FindSubmatch(b); m != nil {
		status = string(m[1])
	} else if bytes.HasPrefix(b, expectation) {
		status = "417"
	}
	if status == "" {
		return c.TCPConn.Write(b)
	}
	if _, err := c.TCPConn.Write(refusalOf(status)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// protocolCodes are the codes of refusals that no handler sees.
var protocolCodes = map[int][2]string{
	http.StatusBadRequest:                  {"bad_request", "This is not an HTTP request that can be read."},
	http.StatusExpectationFailed:           {"expectation_failed", "Only the expectation 100-continue is known."},
	http.StatusRequestHeaderFieldsTooLarge: {"headers_too_large", "The headers are too large."},
	http.StatusNotImplemented:              {"not_implemented", "This transfer coding is not known."},
	http.StatusHTTPVersionNotSupported:     {"http_version_not_supported", "Speak HTTP/1.1 or HTTP/2."},
}

func refusalOf(text string) []byte {
	status, _ := strconv.Atoi(text)
	reason, known := protocolCodes[status]
	if !known {
		reason = [2]string{"bad_request", "The request was refused."}
	}
	doc := problem.NewDocument(status, reason[0], reason[1], telemetry.NewTrace().ID)
	body, _ := json.Marshal(doc) // strings and integers only
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nX-Content-Type-Options: "+
		"nosniff\r\nConnection: close\r\n\r\n",
		status, http.StatusText(status), problem.ContentType, len(body))
	return append([]byte(head), body...)
}

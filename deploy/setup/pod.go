package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// metricsPort is where a pod serves its app's metrics.
const metricsPort = ":9464"

func podCommand() *cobra.Command {
	var listen, metrics string
	c := &cobra.Command{Use: "pod", Args: cobra.NoArgs,
		Short: "Hold the network that an app and its sidecar share, until the end, and pass on the app's metrics",
		Long: "Hold the network that an app and its sidecar share, until the end: if one of the two held it, the other " +
			"would have no network after a restart. The app listens on loopback; this passes on its metrics and nothing else."}
	c.Flags().StringVar(&listen, "listen", metricsPort, "where to serve /metrics")
	c.Flags().StringVar(&metrics, "metrics", "http://127.0.0.1:8080/metrics", "the app's metrics")
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := url.Parse(metrics)
		if err != nil {
			return err
		}
		return serve(c.Context(), &http.Server{Addr: listen, Handler: metricsOf(at), ReadHeaderTimeout: answerWithin,
			WriteTimeout: time.Minute})
	}
	return c
}

// metricsOf passes on one page, whatever the app serves besides.
func metricsOf(page *url.URL) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		out := *page
		r.Out.URL, r.Out.Host = &out, out.Host
	}})
	return mux
}

// serve serves until ctx ends.
func serve(ctx context.Context, srv *http.Server) error {
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

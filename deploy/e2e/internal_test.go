//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/dapr/dapr/pkg/proto/common/v1"
	dapr "github.com/dapr/dapr/pkg/proto/internals/v1"
	sentry "github.com/dapr/dapr/pkg/proto/sentry/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	"daprmall.dev/deploy/internal/apiclient"
)

// sidecarCall is a call from one sidecar to another, through the internal port that sidecars have for each other.
type sidecarCall func(method, path string, body any, headers map[string]string) (apiclient.Answer, error)

// internalPort returns both ways to call an app through its sidecar's internal port, as any program on the machine can:
// the port needs no token and accepts any header. With mTLS it needs a certificate.
func internalPort(t *testing.T, a appAccess, how grpc.DialOption) map[string]sidecarCall {
	t.Helper()
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", a.Ports["dapr_internal"]), how)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	side := dapr.NewServiceInvocationClient(conn)
	return map[string]sidecarCall{
		"CallLocal": func(method, path string, body any, headers map[string]string) (apiclient.Answer, error) {
			req, content, err := internalRequest(method, path, body, headers)
			if err != nil {
				return apiclient.Answer{}, err
			}
			req.Message.Data = &anypb.Any{Value: content}
			res, err := side.CallLocal(t.Context(), req)
			if err != nil {
				return apiclient.Answer{}, err
			}
			return apiclient.Answer{Status: int(res.GetStatus().GetCode()), Body: res.GetMessage().GetData().GetValue()}, nil
		},
		"CallLocalStream": func(method, path string, body any, headers map[string]string) (apiclient.Answer, error) {
			req, content, err := internalRequest(method, path, body, headers)
			if err != nil {
				return apiclient.Answer{}, err
			}
			return callInPieces(t.Context(), side, req, content)
		},
	}
}

func internalRequest(method, path string, body any, headers map[string]string) (*dapr.InternalInvokeRequest, []byte,
	error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, nil, err
	}
	metadata := map[string]*dapr.ListStringValue{}
	for name, value := range headers {
		metadata[name] = &dapr.ListStringValue{Values: []string{value}}
	}
	return &dapr.InternalInvokeRequest{Ver: dapr.APIVersion_V1, Metadata: metadata, Message: &common.InvokeRequest{
		Method: strings.TrimPrefix(path, "/"), ContentType: "application/json",
		HttpExtension: &common.HTTPExtension{Verb: common.HTTPExtension_Verb(common.HTTPExtension_Verb_value[method])},
	}}, content, nil
}

func callInPieces(ctx context.Context, side dapr.ServiceInvocationClient, req *dapr.InternalInvokeRequest,
	content []byte) (a apiclient.Answer, err error) {
	stream, err := side.CallLocalStream(ctx)
	if err != nil {
		return a, err
	}
	if err := stream.Send(&dapr.InternalInvokeRequestStream{Request: req,
		Payload: &common.StreamPayload{Data: content}}); err != nil {
		return a, err
	}
	if err := stream.CloseSend(); err != nil {
		return a, err
	}
	first, err := stream.Recv()
	if err != nil {
		return a, err
	}
	a.Status, a.Body = int(first.GetResponse().GetStatus().GetCode()), first.GetPayload().GetData()
	for {
		next, err := stream.Recv()
		if err != nil {
			return a, nil //nolint:nilerr // the end, or as good as that: what came is judged
		}
		a.Body = append(a.Body, next.GetPayload().GetData()...)
	}
}

// Without mutual TLS a sidecar's internal port serves every local program, whatever caller it claims to be. No route of
// any service accepts such a call, in either of the two ways. With the caller's key the same call is accepted, so it
// was refused only because of the missing key. With mutual TLS the port serves only who has a certificate, and that of
// a caller does not replace its key.
func TestCallsThroughASidecarsInternalPortNeedTheCallersKey(t *testing.T) {
	apps := mallUnderTest(t).first()
	keys := secretStore(t)
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	for _, p := range internalRoutes(t) {
		how := plain
		if mtls {
			for way, call := range internalPort(t, apps[p.app], plain) {
				if a, err := call(p.method, p.path, map[string]any{}, nil); err == nil {
					t.Errorf("%s %s %s of %s without a certificate: %s, want no connection", way, p.method, p.path, p.app, a)
				}
			}
			own, err := certificate(t, p.callers[0], sentryToken(t, p.callers[0]), sentry.SignCertificateRequest_JWKS)
			if err != nil {
				t.Fatal(err)
			}
			how = tlsOption(t, own)
		}
		for way, call := range internalPort(t, apps[p.app], how) {
			ask := func(caller, key string) apiclient.Answer {
				t.Helper()
				headers := map[string]string{"Authorization": "Bearer " + bearer(t, admin)}
				if caller != "" {
					headers["dapr-caller-app-id"] = caller
				}
				if key != "" {
					headers["Mall-Caller-Key"] = key
				}
				a, err := call(p.method, p.path, map[string]any{}, headers)
				if err != nil {
					t.Fatalf("%s %s %s of %s: %v", way, p.method, p.path, p.app, err)
				}
				return a
			}
			for _, caller := range append([]string{"", p.app}, p.callers...) {
				for what, key := range map[string]string{"no key": "", "a guessed key": apiclient.Key(), "an empty key": " "} {
					if a := ask(caller, key); a.Status != http.StatusForbidden || a.Code() != "caller_not_allowed" {
						t.Errorf("%s %s %s of %s as %q with %s: %s, want 403 caller_not_allowed", way, p.method, p.path, p.app, caller,
							what, a)
					}
				}
			}
			for _, caller := range p.callers {
				if a := ask(caller, keys[caller+"-peers"][p.app]); a.Code() == "caller_not_allowed" || a.Status == 0 {
					t.Errorf("%s %s %s of %s as %s with its key: %s", way, p.method, p.path, p.app, caller, a)
				}
			}
		}
	}
}

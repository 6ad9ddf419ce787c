package sidecar

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	pb "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/kit/problem"
)

// daprd is a fake sidecar whose answers a test sets.
type daprd struct {
	pb.UnimplementedDaprServer
	err       error
	refused   []string
	published *pb.BulkPublishRequest
	saved     *pb.SaveStateRequest
	state     *pb.GetStateResponse
	token     []string
	bulk      func(keys []string) []*pb.BulkStateItem // reads several
	reads     [][]string
}

func (d *daprd) note(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	d.token = md.Get("dapr-api-token")
	return d.err
}

func (d *daprd) BulkPublishEvent(ctx context.Context, r *pb.BulkPublishRequest) (*pb.BulkPublishResponse, error) {
	d.published = r
	res := &pb.BulkPublishResponse{}
	for _, id := range d.refused {
		res.FailedEntries = append(res.FailedEntries, &pb.BulkPublishResponseFailedEntry{EntryId: id, Error: "no"})
	}
	return res, d.note(ctx)
}

func (d *daprd) SaveState(ctx context.Context, r *pb.SaveStateRequest) (*emptypb.Empty, error) {
	d.saved = r
	return &emptypb.Empty{}, d.note(ctx)
}

func (d *daprd) GetState(ctx context.Context, r *pb.GetStateRequest) (*pb.GetStateResponse, error) {
	d.reads = append(d.reads, []string{r.GetKey()})
	return d.state, d.note(ctx)
}

func (d *daprd) GetBulkState(ctx context.Context, r *pb.GetBulkStateRequest) (*pb.GetBulkStateResponse, error) {
	d.reads = append(d.reads, r.GetKeys())
	return &pb.GetBulkStateResponse{Items: d.bulk(r.GetKeys())}, d.note(ctx)
}

func (d *daprd) InvokeBinding(ctx context.Context, r *pb.InvokeBindingRequest) (*pb.InvokeBindingResponse, error) {
	return &pb.InvokeBindingResponse{Data: r.GetData()}, d.note(ctx)
}

func (d *daprd) Shutdown(ctx context.Context, _ *pb.ShutdownRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, d.note(ctx)
}

func fake(t *testing.T) (*Client, *daprd) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &daprd{}
	s := grpc.NewServer()
	pb.RegisterDaprServer(s, d)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return dial(t, 1, l.Addr().(*net.TCPAddr).Port), d
}

func TestPublishReportsRefusedEntries(t *testing.T) {
	c, d := fake(t)
	entries := []Entry{{"e1", "k1", []byte(`{"id":"e1"}`)}, {"e2", "k2", []byte(`{"id":"e2"}`)},
		{"e3", "k1", []byte(`{"id":"e3"}`)}}
	for _, step := range []struct {
		refused []string
		err     error
		fails   bool
	}{
		{nil, nil, false},
		{[]string{"e2"}, nil, false},
		{[]string{"e1", "e2", "e3"}, nil, true},
		{nil, status.Error(codes.Unavailable, "broker is down"), true},
	} {
		d.refused, d.err = step.refused, step.err
		refused, err := c.Publish(t.Context(), "mall-orders", entries)
		if (err != nil) != step.fails {
			t.Errorf("%+v: %v", step, err)
		}
		if !step.fails && len(refused) != len(step.refused) {
			t.Errorf("%+v: refused %v", step, refused)
		}
		for _, id := range step.refused {
			if !step.fails && !refused[id] {
				t.Errorf("%+v: refused %v", step, refused)
			}
		}
	}
	p := d.published
	if p.GetPubsubName() != "events" || p.GetTopic() != "mall-orders" || len(p.GetEntries()) != 3 || len(d.token) == 0 ||
		d.token[0] != "secret" {
		t.Fatalf("published %v with token %v", p, d.token)
	}
	if e := p.GetEntries()[2]; e.GetEntryId() != "e3" || string(e.GetEvent()) != `{"id":"e3"}` ||
		e.GetContentType() != "application/cloudevents+json" || e.GetMetadata()["partitionKey"] != "k1" {
		t.Errorf("entry %v; want the unchanged event with its key", e)
	}
}

// A document is saved only if it has not changed since it was loaded.
func TestSaveFailsIfTheDocumentHasChanged(t *testing.T) {
	c, d := fake(t)
	d.state = &pb.GetStateResponse{Data: []byte(`{}`), Etag: "3"}
	doc, err := c.Load(t.Context(), "carts", "7")
	if err != nil || doc.ETag != "3" || string(doc.Value) != `{}` || doc.Key != "7" {
		t.Fatalf("load: %+v, %v", doc, err)
	}
	doc.TTL = time.Hour
	if err := c.Save(t.Context(), "carts", doc); err != nil {
		t.Fatal(err)
	}
	item := d.saved.GetStates()[0]
	if item.GetEtag().GetValue() != "3" || item.GetOptions().GetConcurrency().String() != "CONCURRENCY_FIRST_WRITE" ||
		item.GetMetadata()["ttlInSeconds"] != "3600" {
		t.Errorf("saved %v, want it conditional on the ETag", item)
	}
	d.err = status.Error(codes.Aborted, "etag mismatch")
	if err := c.Save(t.Context(), "carts", doc); !errors.Is(err, ErrStale) {
		t.Errorf("changed meanwhile: %v, want ErrStale", err)
	}
	d.err = status.Error(codes.Internal,
		"failed saving state in state store carts: failed to set key carts||7: "+
			"ERR user_script:14: failed to set key carts||7")
	if err := c.Save(t.Context(), "carts", Document{Key: "7"}); !errors.Is(err, ErrStale) {
		t.Errorf("created by another writer meanwhile: %v, want ErrStale", err)
	}
	for _, code := range []codes.Code{codes.Unavailable, codes.Internal} {
		d.err = status.Error(code, "redis is down")
		_, loadErr := c.Load(t.Context(), "carts", "7")
		for what, err := range map[string]error{"save": c.Save(t.Context(), "carts", doc), "load": loadErr,
			"bind": c.Bind(t.Context(), "redis-lua", "hold", 1, nil)} {
			if problem.KindOf(err) != problem.Unavailable || errors.Is(err, ErrStale) {
				t.Errorf("%s, %s: %v, want unavailable", what, code, err)
			}
		}
	}
}

// Failures that may pass are told apart from those that repeat forever.
func TestFailuresAreClassified(t *testing.T) {
	c, d := fake(t)
	says := func(code codes.Code) string { // as daprd reports a component's error
		return "error invoking output binding redis-lua: rpc error: code = " + code.String() + " desc = hold: x"
	}
	for what, s := range map[string]struct {
		code    codes.Code
		message string
		want    problem.Kind
	}{
		"no sidecar": {codes.Unavailable, "connection refused", problem.Unavailable},
		"a breaker is open": {codes.Internal,
			"error invoking output binding redis-lua: circuit breaker is open", problem.Unavailable},
		"Redis is unreachable":                  {codes.Internal, says(codes.Unavailable), problem.Unavailable},
		"Redis is slow":                         {codes.Internal, says(codes.DeadlineExceeded), problem.Timeout},
		"the sidecar is slow":                   {codes.DeadlineExceeded, "x", problem.Timeout},
		"input that the component refuses":      {codes.Internal, says(codes.InvalidArgument), problem.Internal},
		"an operation that the app may not use": {codes.Internal, says(codes.PermissionDenied), problem.Internal},
		"an operation that does not exist":      {codes.Internal, says(codes.Unimplemented), problem.Internal},
		"a component that does not exist":       {codes.InvalidArgument, "couldn't find output binding", problem.Internal},
		"a wrong token":                         {codes.Unauthenticated, "x", problem.Internal},
		"an answer larger than a message": {codes.ResourceExhausted, "received message larger than max",
			problem.Internal},
		"an answer that was lost": {codes.Unknown, "x", problem.Unavailable},
	} {
		d.state, d.err = &pb.GetStateResponse{}, status.Error(s.code, s.message)
		_, load := c.Load(t.Context(), "carts", "7")
		for how, err := range map[string]error{"bind": c.Bind(t.Context(), "redis-lua", "hold", 1, nil), "load": load,
			"save": c.Save(t.Context(), "carts", Document{Key: "7"})} {
			if problem.KindOf(err) != s.want {
				t.Errorf("%s, %s: %v, want %s", how, what, err, s.want)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	if err := c.Bind(ctx, "redis-lua", "hold", 1, nil); problem.KindOf(err) != problem.Timeout {
		t.Errorf("no time left: %v, want timeout", err)
	}
}

func TestBindSpeaksJSON(t *testing.T) {
	c, _ := fake(t)
	var out thing
	if err := c.Bind(t.Context(), "redis-lua", "hold", thing{"7"}, &out); err != nil || out.ID != "7" {
		t.Errorf("%+v, %v", out, err)
	}
	if err := c.Bind(t.Context(), "redis-lua", "hold", "no object", &out); err == nil {
		t.Error("an answer of another shape was accepted")
	}
}

// A sidecar that shuts down may not answer any more.
func TestShutdownSucceedsWithoutAnAnswer(t *testing.T) {
	c, d := fake(t)
	for code, fails := range map[codes.Code]bool{codes.OK: false, codes.Unavailable: false, codes.PermissionDenied: true} {
		if d.err = status.Error(code, "x"); code == codes.OK {
			d.err = nil
		}
		if err := c.Shutdown(t.Context()); (err != nil) != fails {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// Reads that wait for another one share a request. Each has its own document; one that fails is read alone.
func TestReadsThatWaitShareARequest(t *testing.T) {
	c, d := fake(t)
	d.state = &pb.GetStateResponse{Data: []byte("alone")}
	d.bulk = func(keys []string) (items []*pb.BulkStateItem) {
		for _, k := range keys {
			item := &pb.BulkStateItem{Key: k, Data: []byte("shared " + k), Etag: k}
			if k == "bad" {
				item = &pb.BulkStateItem{Key: k, Error: "no"}
			}
			items = append(items, item)
		}
		return items
	}
	keys := []string{"a", "b", "a", "bad"}
	all := make([]load, len(keys))
	for i, key := range keys {
		all[i] = load{t.Context(), "carts", key}
	}
	got := make([]string, len(keys))
	var wg sync.WaitGroup
	wg.Add(len(keys))
	c.loadAll(all, func(i int, r batch.Result[Document]) {
		defer wg.Done()
		if r.Err != nil || r.Value.Key != keys[i] {
			t.Errorf("%s: %+v", keys[i], r)
		}
		got[i] = string(r.Value.Value)
	})
	wg.Wait()
	if want := []string{"shared a", "shared b", "shared a", "alone"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	if len(d.reads) != 2 || !slices.Equal(d.reads[0], []string{"a", "b", "bad"}) {
		t.Errorf("requests for %q, want one for three documents, and the one that failed", d.reads)
	}
	d.err = status.Error(codes.Unavailable, "the store is down")
	c.loadAll(all[:2], func(i int, r batch.Result[Document]) {
		if problem.KindOf(r.Err) != problem.Unavailable {
			t.Errorf("%s of a store that is down: %+v", keys[i], r)
		}
	})
}

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daprmall.dev/services/kit/problem"
)

// transient are the gRPC codes that may succeed a moment later. Any other would be returned again: a missing component,
// a request that cannot be read, an answer larger than a message.
var transient = map[codes.Code]bool{codes.Unavailable: true, codes.Aborted: true, codes.Unknown: true,
	codes.Internal: true, codes.Canceled: true}

// classify classifies the error of a gRPC call to the sidecar: Unavailable is worth another try, Timeout may have had
// its effect, and the rest is a fault of this program or its configuration.
func classify(err error, format string, args ...any) error {
	err = fmt.Errorf(format+": %w", append(args, err)...)
	code := codeOf(err)
	switch {
	case code == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded):
		return problem.Wrap(err, problem.Timeout, "timeout", "A part of the mall did not answer in time.").After(time.Second)
	case transient[code]:
		return problem.NewUnavailable(err, time.Second, "A part of the mall cannot be reached right now.")
	}
	return err
}

// daprd returns Internal for every error of a component, with the component's own status in the text.
var componentStatus = regexp.MustCompile(`.*rpc error: code = (\w+) desc = `)

func codeOf(err error) codes.Code {
	code := status.Code(err)
	inText := componentStatus.FindStringSubmatch(err.Error())
	if code != codes.Internal || inText == nil {
		return code
	}
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		if c.String() == inText[1] {
			return c
		}
	}
	return code
}

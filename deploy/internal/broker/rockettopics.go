package broker

import (
	"context"
	"fmt"
	"sync"

	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// queues of a topic, for reading and for writing.
const queues = 8

// quiet keeps the driver from writing to stdout what it returns as an error.
var quiet = sync.OnceFunc(func() { rlog.SetLogLevel("fatal") })

// rocketTopics makes missing topics if this broker is ours, and waits until each has a route: a sidecar that starts
// without one never consumes.
func rocketTopics(ctx context.Context, addr string, own bool, topics []string) error {
	quiet()
	return retry(ctx, "RocketMQ at "+addr, func(ctx context.Context) error {
		a, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver([]string{addr})))
		if err != nil {
			return err
		}
		defer a.Close() //nolint:errcheck // nothing is kept
		for _, topic := range topics {
			if own {
				if err := a.CreateTopic(ctx, admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(brokerOf(addr)),
					admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues)); err != nil {
					return fmt.Errorf("make topic %s: %w", topic, err)
				}
			}
			switch route, err := a.FetchPublishMessageQueues(ctx, topic); {
			case err != nil:
				return fmt.Errorf("route of topic %s: %w", topic, err)
			case len(route) == 0:
				return fmt.Errorf("topic %s has no route", topic)
			}
		}
		return nil
	})
}

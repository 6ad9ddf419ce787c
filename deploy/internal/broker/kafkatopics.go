package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// partitions of a topic: as many events of different orders are handled at a time.
const partitions = 12

// kafkaTopics makes missing topics, and waits until each partition has a leader: an open port accepts no event yet, and
// one topic that is missing stops all topics of a subscriber.
func kafkaTopics(ctx context.Context, addr string, topics []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DialTimeout(2*time.Second), kgo.RequestRetries(0),
		kgo.RetryTimeout(2*time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	return retry(ctx, "Kafka at "+addr, func(ctx context.Context) error {
		made, err := admin.CreateTopics(ctx, partitions, -1, nil, topics...)
		if err != nil {
			return err
		}
		for _, t := range made {
			if t.Err != nil && !errors.Is(t.Err, kerr.TopicAlreadyExists) {
				return fmt.Errorf("make topic %s: %w", t.Topic, t.Err)
			}
		}
		known, err := admin.ListTopics(ctx, topics...)
		if err != nil {
			return err
		}
		for _, name := range topics {
			t := known[name]
			if t.Err != nil || len(t.Partitions) == 0 {
				return fmt.Errorf("topic %s: %w", name, errors.Join(t.Err, errors.New("no partitions")))
			}
			for _, p := range t.Partitions {
				if p.Err != nil || p.Leader < 0 {
					return fmt.Errorf("topic %s: partition %d has no leader", name, p.Partition)
				}
			}
		}
		return nil
	})
}

// retry tries until it works or ctx ends; then its error has that of the last try.
func retry(ctx context.Context, what string, try func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := try(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s is not ready", what), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

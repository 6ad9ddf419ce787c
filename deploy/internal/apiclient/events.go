package apiclient

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Event is one event of a stream (Server-Sent Events).
type Event struct{ ID, Data string }

const eventStream = "text/event-stream"

// Events opens a stream, from the event with the id last on ("" for all), and calls each for each event until the
// stream ends or each returns an error. A status other than 200 is an error, except 204: nothing follows.
func (c *Client) Events(ctx context.Context, path, last string, each func(Event) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+path, nil)
	if err != nil {
		return err
	}
	token, err := c.Bearer(ctx)
	if err != nil {
		return fmt.Errorf("renew the token: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", eventStream)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := (&http.Client{Transport: c.HTTP.Transport}).Do(req) // without a time-out
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		if res.StatusCode == http.StatusNoContent {
			return nil
		}
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return readEvents(res.Body, each)
}

func readEvents(from io.Reader, each func(Event) error) error {
	lines := bufio.NewScanner(from)
	var e Event
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			e.ID = value
		case "data":
			e.Data += value
		case "":
			if e.Data != "" && lines.Text() == "" {
				if err := each(e); err != nil {
					return err
				}
				e = Event{}
			}
		}
	}
	return lines.Err()
}

// firstEvent reads a stream up to its first event.
func firstEvent(from io.Reader) ([]byte, error) {
	var data []byte
	err := readEvents(from, func(e Event) error {
		data = []byte(e.Data)
		return io.EOF
	})
	if err == io.EOF { //nolint:errorlint // from above
		err = nil
	}
	return data, err
}

// Package render puts this mall's addresses into the Dapr files of the repository,
// which are written for a mall at its default place.
package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Redis is the address of the mall's Redis at its default place.
const Redis = "127.0.0.1:8581"

const (
	defaultHome = ".mall/"
	// eventsPath is where services receive events, followed by a token that only a service and its sidecar know.
	eventsPath = "/events"
)

// Values are what takes the place of the defaults.
type Values struct {
	Addresses map[string]string // host:port, by the one at the default place
	Home      string            // the mall's home directory
	// Events are the tokens in the paths of events, by app; a subscription has one app.
	Events map[string]string
	// App limits the files to what the sidecar of one app loads; "" for those of all.
	App string
	// Names is the address of an app's sidecar with {appid} for the app, where a name server knows it, such as
	// {appid}:50002. It takes the place of the database of addresses on one machine.
	Names string
}

// Dirs renders every YAML file of the source directories into one directory, which is
// emptied first: a file that left the repository must leave the mall. A file of the directory overlay, "" for none,
// takes the place of one with its name.
func Dirs(sources []string, overlay, into string, v Values) error {
	if err := os.RemoveAll(into); err != nil {
		return err
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		return err
	}
	replaced := map[string]bool{}
	if overlay != "" {
		files, err := filepath.Glob(filepath.Join(overlay, "*.yaml"))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("no YAML files in %s", overlay)
		}
		for _, file := range files {
			replaced[filepath.Base(file)] = true
		}
		sources = append(slices.Clone(sources), overlay)
	}
	for _, dir := range sources {
		files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("no YAML files in %s", dir)
		}
		for _, file := range files {
			if replaced[filepath.Base(file)] && dir != overlay {
				continue
			}
			if err := File(file, filepath.Join(into, filepath.Base(file)), v); err != nil {
				return err
			}
		}
	}
	return nil
}

// File renders one file. Two sources with a file of the same name are a mistake.
func File(from, to string, v Values) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	out, err := render(raw, v)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if len(out) == 0 { // all of it is for other apps
		return nil
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(out); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func render(raw []byte, v Values) ([]byte, error) {
	var out bytes.Buffer
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	enc := yaml.NewEncoder(&out)
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			if out.Len() == 0 { // an encoder without documents cannot be closed
				return nil, nil
			}
			err = enc.Close()
			return out.Bytes(), err
		}
		if err != nil {
			return nil, err
		}
		if loads, err := loadedBy(&doc, v.App); err != nil {
			return nil, err
		} else if !loads {
			continue
		}
		replace(&doc, v)
		if err := errors.Join(deliver(&doc, v.Events), resolve(&doc, v.Names)); err != nil {
			return nil, err
		}
		if err := enc.Encode(&doc); err != nil {
			return nil, err
		}
	}
}

// replace touches whole values only, so that nothing is replaced by accident.
func replace(n *yaml.Node, v Values) {
	if n.Kind == yaml.ScalarNode {
		switch addr, known := v.Addresses[n.Value]; {
		case known:
			n.Value = addr
		case strings.HasPrefix(n.Value, defaultHome):
			n.Value = filepath.Join(v.Home, strings.TrimPrefix(n.Value, defaultHome))
		}
	}
	for _, child := range n.Content {
		replace(child, v)
	}
}

// loadedBy reports whether the sidecar of an app reads a document; without an app that is every document. A sidecar has
// one Configuration, which has the name of its app.
func loadedBy(doc *yaml.Node, app string) (bool, error) {
	if app == "" {
		return true, nil
	}
	var d struct {
		Kind     string
		Metadata struct{ Name string }
		Scopes   []string
	}
	if err := doc.Decode(&d); err != nil {
		return false, err
	}
	if d.Kind == "Configuration" {
		return d.Metadata.Name == app, nil
	}
	return len(d.Scopes) == 0 || slices.Contains(d.Scopes, app), nil
}

// resolve has a Configuration find other sidecars by an address that is made of the app's name.
func resolve(doc *yaml.Node, format string) error {
	if kind := find(doc.Content[0], "kind"); kind == nil || kind.Value != "Configuration" || format == "" {
		return nil
	}
	resolution := find(doc.Content[0], "spec", "nameResolution")
	if resolution == nil {
		return errors.New("the configuration has no nameResolution")
	}
	return resolution.Encode(map[string]any{"component": "nameformat", "version": "v1",
		"configuration": map[string]string{"format": format}})
}

// deliver puts the token of a subscription's app into the path on which it delivers.
func deliver(doc *yaml.Node, tokens map[string]string) error {
	var s struct {
		Scopes []string
	}
	if kind := find(doc.Content[0], "kind"); kind == nil || kind.Value != "Subscription" || len(tokens) == 0 {
		return nil
	}
	if err := doc.Decode(&s); err != nil {
		return err
	}
	if len(s.Scopes) != 1 {
		return fmt.Errorf("a subscription for %v, want one app: each app has its own path", s.Scopes)
	}
	token := tokens[s.Scopes[0]]
	if token == "" { // that app is not started here
		return nil
	}
	route := find(doc.Content[0], "spec", "routes", "default")
	if route == nil || route.Value != eventsPath {
		return fmt.Errorf("the subscription of %s does not deliver to %s", s.Scopes[0], eventsPath)
	}
	route.Value += "/" + token
	return nil
}

// find goes down a path of keys; nil if it ends early.
func find(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		var next *yaml.Node
		for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

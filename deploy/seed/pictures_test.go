package main

import (
	"encoding/xml"
	"io/fs"
	"os"
	"strings"
	"testing"
)

var drawings = os.DirFS("pictures")

// A picture contains only drawing elements: browsers would run a script in an SVG.
func TestPicturesContainOnlyDrawingElements(t *testing.T) {
	names, err := fs.Glob(drawings, "*.svg")
	if err != nil || len(names) < 40 {
		t.Fatalf("%d pictures, %v; want 40 or more", len(names), err)
	}
	known := map[string]bool{"svg": true, "g": true, "path": true}
	for _, name := range names {
		text, err := fs.ReadFile(drawings, name)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 8<<10 {
			t.Errorf("%s has %d bytes, want at most 8192", name, len(text))
		}
		for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
			token, err := d.Token()
			if token == nil {
				if err.Error() != "EOF" {
					t.Errorf("%s: %v", name, err)
				}
				break
			}
			if e, ok := token.(xml.StartElement); ok && !known[e.Name.Local] {
				t.Errorf("%s contains a <%s>", name, e.Name.Local)
			}
		}
	}
}

package catalog

import (
	"strings"
	"testing"
)

func TestThePictureNamesItself(t *testing.T) {
	a, b := NewPictureFile([]byte("a")), NewPictureFile([]byte("b"))
	if a.Name == b.Name || a.Name != NewPictureFile([]byte("a")).Name {
		t.Errorf("names %s and %s", a.Name, b.Name)
	}
	for name, want := range map[string]bool{a.Name: true, a.Name[1:]: false, a.Name + "0": false, "": false,
		strings.Repeat("g", 32): false, strings.Repeat("A", 32): false, strings.Repeat("../", 10) + "aa": false} {
		if isPictureName(name) != want {
			t.Errorf("%q is a name: %t", name, !want)
		}
	}
}

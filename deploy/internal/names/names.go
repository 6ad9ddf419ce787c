// Package names prepares the SQLite file in which sidecars on one machine find each other.
package names

import (
	"encoding/binary"
	"os"
	"path/filepath"
)

// Reset replaces the file by an empty one that is already in write-ahead mode.
//
// A sidecar puts a new file into that mode itself. When several do so at once, SQLite
// refuses all but one at once, whatever they are ready to wait; Dapr logs that and goes
// on without names: such an app reaches nobody, and nobody reaches it. Later in a
// sidecar's start they do wait for each other.
func Reset(path string) error {
	// Names of an earlier run would point to sidecars that are gone.
	old, err := filepath.Glob(path + "*")
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return os.WriteFile(path, empty(), 0o600)
}

const pageSize = 4096

// empty is a database of one page, as https://sqlite.org/fileformat2.html lays it out:
// the file's header, then the header of an empty table of tables.
func empty() []byte {
	page := make([]byte, pageSize)
	copy(page, "SQLite format 3\x00")
	binary.BigEndian.PutUint16(page[16:], pageSize)
	page[18], page[19] = 2, 2                      // written and read in write-ahead mode
	page[21], page[22], page[23] = 64, 32, 32      // fixed by the format
	binary.BigEndian.PutUint32(page[24:], 1)       // changes
	binary.BigEndian.PutUint32(page[28:], 1)       // pages
	binary.BigEndian.PutUint32(page[56:], 1)       // UTF-8
	binary.BigEndian.PutUint32(page[92:], 1)       // changes when the next field was written
	binary.BigEndian.PutUint32(page[96:], 3045000) // SQLite's version
	page[100] = 0x0d                               // a leaf of a table
	binary.BigEndian.PutUint16(page[105:], pageSize)
	return page
}

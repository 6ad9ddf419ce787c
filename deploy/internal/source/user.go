package source

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// User is who a database server runs as: ourselves, or somebody without power when we
// are root (PostgreSQL refuses root, and rightly).
type User struct {
	uid, gid int
	switched bool
}

// Unprivileged picks the user.
func Unprivileged() (User, error) {
	if os.Geteuid() != 0 {
		return User{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return User{}, err
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return User{}, err
		}
		return User{uid: uid, gid: gid, switched: true}, nil
	}
	return User{}, fmt.Errorf("started by root, and there is neither a user postgres nor nobody to run the databases as")
}

// Credential is what a process of this user is started with.
func (u User) Credential() *syscall.Credential {
	if !u.switched {
		return nil
	}
	return &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
}

// MakeDir makes a directory that only this user may enter.
func (u User) MakeDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	return u.Own(dir)
}

// Write puts a secret for this user into a directory of theirs. They may have left a link there, through which root
// would write whatever it leads to: the file is made anew, given away, and put into its place.
func (u User) Write(path string, content []byte) error {
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil && u.switched {
		err = f.Chown(u.uid, u.gid)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// Own returns a file to this user.
func (u User) Own(path string) error {
	if !u.switched {
		return nil
	}
	return os.Chown(path, u.uid, u.gid)
}

// DataDir is where a server of this user can keep its data: in the mall's home, unless
// that lies behind a directory closed to the user, as /root is.
func (u User) DataDir(home, name, hash string) string {
	if !u.switched || u.reaches(home) {
		return filepath.Join(home, name)
	}
	return filepath.Join("/var/lib/mall-"+hash, name)
}

// reaches reports whether every directory on the way is open to the user.
func (u User) reaches(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil {
			open := info.Mode().Perm()&0o001 != 0
			if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == u.uid {
				open = info.Mode().Perm()&0o100 != 0
			}
			if !open {
				return false
			}
		} else if !os.IsNotExist(err) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

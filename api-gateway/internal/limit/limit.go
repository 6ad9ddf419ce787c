// Package limit keeps any one caller, and all callers together, from taking more of the mall
// than there is: token buckets in this process for every route, one distributed limit for
// signing in and up, and a bound on the requests in flight.
package limit

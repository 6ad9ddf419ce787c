// Package limit bounds what one caller, and all callers together, use of the mall: token buckets in this process for
// every route, one distributed limit for signing in and up, and a bound on the requests in flight.
package limit

// Package contracts holds what rooms may know of each other: events and peer requests, one
// versioned package per owner. A contract only ever grows; a breaking change is a new package.
package contracts

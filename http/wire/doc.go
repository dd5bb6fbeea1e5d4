// Package wire holds the JSON shapes of the PingAM authentication protocol, in
// both directions: a server encodes what a client decodes and the other way
// round. Source of every shape: am-contract sections 1 to 3.
//
// Encoding appends to a slice that the caller owns, in AM's key order.
// Decoding is strict where a mistake could be read in two ways (duplicate keys,
// invalid UTF-8, wrong types, size, depth) and lenient where AM's clients are
// (unknown keys, key order). The package is pure: no clock, no random source.
package wire

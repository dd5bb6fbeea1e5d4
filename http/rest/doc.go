// Package rest serves the PingAM-compatible API below /json: handlers only, no
// listener. Every request passes one frame:
//
//	ServeHTTP   CORS, path to realm and endpoint, query, API version, CSRF rule
//	endpoint    one function per resource; returns an error instead of writing one
//	fail        the one table that turns errors into AM's answers
//
// The frame keeps what it needs of a request in a pooled call and avoids
// allocation: session validation must cost little more than a JSON echo. What
// lies behind (journeys, sessions, realms) is declared here as small
// interfaces.
package rest

// Package clientside seals what a client keeps for the server: a session, a
// journey, a persistent cookie. The text it makes is a JSON Web Token in AM's
// layers (am-contract sections 2.2 and 4.4); nobody but the holder of the keys
// can make one, and nobody else can read one that is encrypted.
//
//	encrypted and signed   JWS( JWE( claims ) )   the default
//	encrypted only         JWE( claims )          DIRECT and AES_KEYWRAP alone
//	signed only            JWS( claims )
//
// The claims are a JSON object that begins with the same five members, in this
// order; iat is rounded down and exp up to whole seconds:
//
//	{"jti":"<22 of base64url>","sub":"…","iss":"<realm>","iat":1772359200,"exp":1772366400,…}
//
// # Which key reads a token
//
// Each key serves one purpose, one algorithm, one generation, and its kid says
// so: "session.HS256.1". All headers that a key can stand behind are known
// beforehand, as text, and a token's header is looked up among them: nothing is
// ever parsed out of a header, so there is nothing in it that a forger could
// choose. A token of one purpose has no header that another purpose knows.
//
// # One spelling
//
// A token has one spelling: base64url without spare bits, signatures compared as
// the one text they have, and ECDSA signatures with the lower of their two s. So
// a token that has been changed in any character is not a token, also where a
// change would leave its meaning alone.
//
// The package is pure: keys, time and randomness come in from the caller.
package clientside

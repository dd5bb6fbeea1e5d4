package realm

// Kinds of documents that the cluster keeps for itself, under Root but for
// KindVersion. They configure nothing: no API shows or takes them. What the first
// two hold is said in package runs, what the third holds in package actors.
const (
	KindRun      DocumentKind = "run"      // which process uses a data folder; ID is the folder's
	KindFounding DocumentKind = "founding" // with whom a journey was begun anew; ID is the journey's
	// KindVersion is a version of a realm's tree that journeys began on, current
	// or replaced; ID is the version.
	KindVersion DocumentKind = "version"
	KindKeys    DocumentKind = "keys" // the generations of keys for a purpose, which is its ID; see package keyring
)

package realm

// Kinds of documents that the cluster keeps for itself, under Root. They
// configure nothing: no API shows or takes them. What they hold is said in
// package runs.
const (
	KindRun      DocumentKind = "run"      // which process uses a data folder; ID is the folder's
	KindFounding DocumentKind = "founding" // with whom a journey was begun anew; ID is the journey's
)

// Configures reports whether documents of a kind are a realm's configuration.
// The empty kind stands for all of them.
func (k DocumentKind) Configures() bool { return k != KindRun && k != KindFounding }

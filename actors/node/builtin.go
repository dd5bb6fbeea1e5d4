package node

// Builtin is the registry of every node type that this server has.
func Builtin() *Registry {
	return NewRegistry(
		page(),
		innerTree(),
		usernameCollectorType(),
		passwordCollectorType(),
		dataStoreDecisionType(),
	)
}

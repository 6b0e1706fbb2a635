"""BeiDou terminals, Iridium SBD, profiles of phones: sans-IO."""

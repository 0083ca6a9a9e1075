"""The Vision Event step, one folder per version; a released version does not change its meaning."""

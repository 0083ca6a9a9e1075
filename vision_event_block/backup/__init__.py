"""Carries recorded events to their destination."""

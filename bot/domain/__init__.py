"""Pure values and decisions: no IO, no SDK, no clock. Time comes in as a value."""

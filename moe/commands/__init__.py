"""The commands of `moe`, a module a group; `moe.cli` puts them together. What they do is imported when they run."""

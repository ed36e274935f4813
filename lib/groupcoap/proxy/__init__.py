"""The proxy role (draft-ietf-core-groupcomm-proxy). A board that only serves never loads it."""

"""Networks that measure images: judges of expression and identity, face embedders, the action-unit estimator."""

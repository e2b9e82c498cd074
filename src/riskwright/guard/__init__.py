"""Guards: perception, calibration and policy joined for prompts, replies, streams and actions."""

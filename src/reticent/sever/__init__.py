"""The plan; the engine (order, pacing, holds, resume, stop); arming and tripwires."""

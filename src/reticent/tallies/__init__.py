"""What is counted, margins, suppression, and the statistics a library must report."""

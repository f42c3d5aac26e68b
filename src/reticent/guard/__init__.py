"""Inquiries, instruments, holds, release, letters."""

"""What leaves the package: tables, files for ParaView, programs that need torch alone."""

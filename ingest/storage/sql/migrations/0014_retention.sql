-- Who settles holds the row of retention against the owner who drops chunks. FOR SHARE wants the right to update some column: this one
-- can be nothing but true.

GRANT UPDATE (only_row) ON metering.retention TO meterwarden_writer;

#!lua
-- What a change asks for memory is refused by the server before the script begins, so that none is left half done.

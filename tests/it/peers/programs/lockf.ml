(* A peer with OCaml's Unix.lockf: lockf.ml hold|try PATH. Ends with 75 if the lock is held by
   another. *)
let () =
  let fd = Unix.openfile Sys.argv.(2) [ Unix.O_RDWR; Unix.O_CREAT ] 0o664 in
  match Unix.lockf fd Unix.F_TLOCK 0 with
  | exception Unix.Unix_error ((Unix.EAGAIN | Unix.EACCES), _, _) -> exit 75
  | () ->
    if Sys.argv.(1) = "hold" then begin
      print_endline "READY";
      try ignore (read_line ()) with End_of_file -> ()
    end

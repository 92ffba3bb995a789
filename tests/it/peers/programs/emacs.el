;; Emacs as a peer: emacs -Q --batch -l emacs.el hold|try FILE
;; Edits the file, which locks it; ends with 75 if that is refused.
(setq create-lockfiles t)
(let ((what (car command-line-args-left))
      (file (cadr command-line-args-left)))
  (find-file file)
  (condition-case refused
      (insert "x")
    (error (message "%S" refused) (kill-emacs 75)))
  (unless (eq (file-locked-p file) t) (kill-emacs 1))
  (when (equal what "hold")
    (princ "READY\n")
    (condition-case nil (while t (read-from-minibuffer "")) (error nil)))
  (set-buffer-modified-p nil)
  (kill-emacs 0))

package main

import "log"

func library([]string) func() float64 { log.Fatal("x"); return nil }

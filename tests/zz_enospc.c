#include "ntk/store/file.h"
#include "ntk/store/handle.h"
#include <stdio.h>
#include <stdlib.h>
#include <mpi.h>
int main(int argc,char**argv){ MPI_Init(&argc,&argv);
 for(int vars=1; vars<60; vars+=7) for (int64_t n=1; n<40000; n*=30){
  ntk_record r={.name="g"};
  for(int k=0;k<vars;++k){char name[30]; snprintf(name,30,"v%d",k); ntk_field f={name,"x","1","long","",NTK_KIND_REAL}; if(ntk_record_add(&r,&f,&n,NULL))abort();}
  ntk_status s=ntk_file_write("/tmp/small/x.h5",1,&r,NULL);
  printf("%d %ld: %d %s open %ld\n",vars,(long)n,s,s?ntk_last_error()->text:"",ntk_handles_open());
  ntk_record_destroy(&r);
 }
 MPI_Finalize(); return 0;}
